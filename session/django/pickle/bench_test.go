package pickle

import "testing"

// BenchmarkDecode decodes a session after a login, and one with a value that JSON lacks.
func BenchmarkDecode(b *testing.B) {
	const data = `{"_auth_user_id":"1","_auth_user_backend":"django.contrib.auth.backends.ModelBackend","_auth_user_hash":"6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f66c6a1e9f6dd7c1e1e9a8f6","cart":[1,2,3],"theme":"dark"`
	text, err := Encode([]byte(data+"}"), nil)
	if err != nil {
		b.Fatal(err)
	}
	decimal := text[:len(text)-1] + "\x8c\x05price\x8c\x07decimal\x8c\x07Decimal\x93\x8c\x031.5\x85Rs."
	for name, text := range map[string]string{"plain": text, "Decimal": decimal} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Decode(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
