// Package token keeps the keys of the tokens by which services verify who the session service says
// a user is: it reads them from a folder, signs with one of them, and publishes their public halves.
package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The algorithms of keys (RFC 7518 section 3.1, RFC 8037 section 3.1).
const (
	ES256 = string(jose.ES256)
	EdDSA = string(jose.EdDSA)
)

// Key is a private key.
type Key struct {
	// ID is its kid: the file's name without its ending.
	ID string
	// Algorithm is ES256 or EdDSA.
	Algorithm string
	// File is the name of its file.
	File string
	// Made is when it was made, by its name; zero: its name has no time.
	Made time.Time

	signer jose.Signer
	public jose.JSONWebKey
}

// The ends of the names of files with a key: PEM with one private key (PKCS #8, or SEC 1), and a
// private JWK.
var endings = []string{".pem", ".json", ".jwk"}

// nameTime is how a key's name begins that New makes.
const nameTime = "20060102T150405Z"

// maxKeyBytes bounds a key's file.
const maxKeyBytes = 16 << 10

// maxID bounds a key's ID, which each token has.
const maxID = 64

// keyOf returns the key of a file.
func keyOf(name string, text []byte) (*Key, error) {
	id := strings.TrimSuffix(name, filepath.Ext(name))
	if !isID(id) {
		return nil, fmt.Errorf("its name must have 1 to %d letters, digits, '-', '_' and '.'", maxID)
	}
	private, err := parse(text)
	if err != nil {
		return nil, err
	}
	k := &Key{ID: id, File: name}
	if first, _, _ := strings.Cut(id, "-"); len(first) == len(nameTime) {
		k.Made, _ = time.Parse(nameTime, first) // a name of another form has none
	}
	var public any
	switch of := private.(type) {
	case *ecdsa.PrivateKey:
		if of.Curve != elliptic.P256() {
			return nil, errors.New("its curve must be P-256")
		}
		k.Algorithm, public = ES256, of.Public()
	case ed25519.PrivateKey:
		k.Algorithm, public = EdDSA, of.Public()
	default:
		return nil, fmt.Errorf("it must be a private key for ES256 (P-256) or EdDSA (Ed25519), not %T", private)
	}
	k.public = jose.JSONWebKey{Key: public, KeyID: id, Algorithm: k.Algorithm, Use: "sig"}
	k.signer, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: jose.JSONWebKey{Key: private, KeyID: id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	return k, err
}

func isID(id string) bool {
	for i := 0; i < len(id); i++ {
		if c := id[i] | ' '; (c < 'a' || c > 'z') && (id[i] < '0' || id[i] > '9') && !strings.ContainsRune("-_.", rune(id[i])) {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// parse returns the private key in PEM, or in a JWK.
func parse(text []byte) (any, error) {
	if block, _ := pem.Decode(text); block != nil {
		if private, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			return private, nil
		}
		if private, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return private, nil
		}
		return nil, fmt.Errorf("its PEM block %q holds no private key in PKCS #8 or SEC 1", block.Type)
	}
	var key jose.JSONWebKey
	if err := key.UnmarshalJSON(text); err != nil {
		return nil, errors.New("it is neither PEM nor a JWK")
	}
	if !key.Valid() {
		return nil, errors.New("it is a JWK that is not valid")
	}
	return key.Key, nil
}

// read reads the key of a file. It refuses a file that others than its owner and group may read.
func read(path string) (*Key, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no file")
	case info.Mode().Perm()&0o027 != 0:
		return nil, fmt.Errorf("its permissions are %#o: others than its owner may change it, or others than its group read it; chmod 600", info.Mode().Perm())
	case info.Size() > maxKeyBytes:
		return nil, fmt.Errorf("it has more than %d bytes", maxKeyBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return keyOf(filepath.Base(path), text)
}

// New writes a new key for an algorithm into a folder, and returns it. It becomes visible whole.
func New(folder, algorithm string, now time.Time) (*Key, error) {
	var private any
	var err error
	switch algorithm {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("%q is neither %s nor %s", algorithm, ES256, EdDSA)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	var unique [4]byte
	if _, err := rand.Read(unique[:]); err != nil {
		return nil, err
	}
	name := now.UTC().Format(nameTime) + "-" + hex.EncodeToString(unique[:]) + ".pem"
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := write(folder, name, text); err != nil {
		return nil, err
	}
	return keyOf(name, text)
}

// write writes a file that only its owner may read, which appears whole.
func write(folder, name string, text []byte) (err error) {
	f, err := os.CreateTemp(folder, ".new-*") // with mode 600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(folder, name))
}

// isKeyFile reports whether a folder's entry is to hold a key.
func isKeyFile(entry fs.DirEntry) bool {
	name := entry.Name()
	return name[0] != '.' && slices.Contains(endings, filepath.Ext(name))
}
