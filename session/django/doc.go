// Package django reads and writes Django's formats: django.core.signing and the encoding of a
// session's data in django.contrib.sessions, as Django 4.2 to 6 write them with the default
// JSONSerializer.
//
// All input is untrusted until its signature has been checked, and bounded after that as well. The
// package does not use reflection, so that it works in wasm.
package django
