// Package foreign implements the foreign functions of Envoy that need no stream (Envoy,
// source/extensions/common/wasm/foreign.cc).
package foreign

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // the hash functions in hashes
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"cloakroom/hostsim/internal/abi"
	"cloakroom/hostsim/internal/protobuf"
)

// Functions are the functions, by Envoy's name. Arguments and results are serialized as
// Envoy's functions expect them.
var Functions = map[string]func(argument string) (result string, status abi.Status){
	"compress":         compress,
	"uncompress":       uncompress,
	"sign":             sign,
	"verify_signature": verifySignature,
}

func compress(argument string) (string, abi.Status) {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = io.WriteString(w, argument) // into memory: never fails
	_ = w.Close()
	return out.String(), abi.OK
}

// maxUncompressed is the size of the result of uncompress at most, in bytes.
const maxUncompressed = 64 << 20

func uncompress(argument string) (string, abi.Status) {
	r, err := zlib.NewReader(bytes.NewReader([]byte(argument)))
	if err != nil {
		return "", abi.SerializationFailure
	}
	out, err := io.ReadAll(io.LimitReader(r, maxUncompressed+1))
	if err != nil || len(out) > maxUncompressed {
		return "", abi.SerializationFailure
	}
	return string(out), abi.OK
}

// hashes are the hash functions that signatures may use, by Envoy's name.
var hashes = map[string]crypto.Hash{
	"sha1": crypto.SHA1, "sha224": crypto.SHA224, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512,
}

// keyOf returns a key in DER, given either in DER or in PEM.
func keyOf(der, text []byte) (key []byte, found bool) {
	switch {
	case len(der) > 0 && len(text) == 0:
		return der, true
	case len(text) > 0 && len(der) == 0:
		if block, _ := pem.Decode(text); block != nil {
			return block.Bytes, true
		}
	}
	return nil, false
}

// digest hashes text with the named function. problem is Envoy's error message, or "".
func digest(name, text []byte) (hash crypto.Hash, sum []byte, problem string) {
	hash, found := hashes[string(name)]
	if !found {
		return 0, nil, string(name) + " is not supported."
	}
	h := hash.New()
	h.Write(text)
	return hash, h.Sum(nil), ""
}

// sign takes SignArguments {hash_function = 1, private_key = 2, text = 3,
// private_key_pem = 4} and returns SignResult {result = 1, signature = 2, error = 3}.
func sign(argument string) (string, abi.Status) {
	fields, valid := protobuf.LengthDelimited(argument)
	der, found := keyOf(fields[2], fields[4])
	if !valid || !found {
		return "", abi.BadArgument
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return "", abi.BadArgument
	}
	hash, sum, problem := digest(fields[1], fields[3])
	var signature []byte
	if signer, can := key.(crypto.Signer); problem == "" && can {
		if signature, err = signer.Sign(rand.Reader, sum, hash); err != nil {
			problem = "Failed to create signature"
		}
	}
	var out []byte
	if problem == "" {
		out = protowire.AppendVarint(protowire.AppendTag(out, 1, protowire.VarintType), 1)
		out = protowire.AppendBytes(protowire.AppendTag(out, 2, protowire.BytesType), signature)
		return string(out), abi.OK
	}
	return string(protowire.AppendString(protowire.AppendTag(out, 3, protowire.BytesType), problem)), abi.OK
}

// verifySignature takes VerifySignatureArguments {hash_function = 1, public_key = 2,
// signature = 3, text = 4, public_key_pem = 5} and returns VerifySignatureResult
// {result = 1, error = 2}.
func verifySignature(argument string) (string, abi.Status) {
	fields, valid := protobuf.LengthDelimited(argument)
	der, found := keyOf(fields[2], fields[5])
	if !valid || !found {
		return "", abi.BadArgument
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return "", abi.BadArgument
	}
	hash, sum, problem := digest(fields[1], fields[4])
	if problem == "" && !verifies(key, hash, sum, fields[3]) {
		problem = "Failed to verify digest. Error code: 0"
	}
	if problem == "" {
		return string(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)), abi.OK
	}
	return string(protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), problem)), abi.OK
}

// verifies reports whether signature is that of sum by the owner of an RSA or ECDSA key.
func verifies(key any, hash crypto.Hash, sum, signature []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, hash, sum, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum, signature)
	}
	return false
}
