"""What calls know and share: what each asks for and has found, and which texts are being embedded."""
