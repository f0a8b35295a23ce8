"""The audit of identities: whatever changes what reaches a provider must change the identity.

Every setting of every class of a provider is varied one by one, and so are its clients, globals and the environment. A
wrapped embedder has to answer what the embedder inside answers, for documents and queries, sync and async, while all
variants share one store. `make audit` runs it, and `make audit ONLY=Cohere` for the classes with that in their names.
"""
