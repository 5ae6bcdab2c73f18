package session

// AuditHash returns the hash that names a session in logs, traces and upstreams' records: the
// first 16 bytes of SHA-256 over "cloakroom session " and the key, in lower-case hexadecimal. A key
// has 165 random bits, so the hash gives no access and cannot be reversed. Of a session that is
// kept in its cookie the key is Signed.ID.
func AuditHash(key string) string { return digest("cloakroom session ", key) }
