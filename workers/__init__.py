"""The services: one module per microservice, and the engines that do their work."""
