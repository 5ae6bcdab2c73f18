// Package django speaks Django's formats: django.core.signing and the encoding
// of a session's data in django.contrib.sessions, as Django 4.2 to 6 write
// them with the default JSONSerializer.
//
// Everything read here is untrusted until its signature has been checked, and
// bounded after that as well. Nothing in the package reflects, so that it also
// serves in wasm.
package django
