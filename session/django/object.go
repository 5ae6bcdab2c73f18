package django

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"cloakroom/session"
)

// Limit is the default limit of a session's JSON, in bytes, read or written, compressed or not.
const Limit = 1 << 20

// MaxText is the maximum length of a text that holds Limit bytes of JSON; longer ones need not be
// read to the end.
const MaxText = (4*Limit+2)/3 + overhead

// Dumps returns data, compressed if that is shorter, in base64, signed, as Signer.sign_object with
// compress=True does.
func (s *Signer) Dumps(data []byte, now time.Time) (string, error) {
	packed, err := compress(data)
	if err != nil {
		return "", err
	}
	if len(packed) < len(data)-1 {
		return s.Sign("."+base64.RawURLEncoding.EncodeToString(packed), now)
	}
	return s.Sign(base64.RawURLEncoding.EncodeToString(data), now)
}

// Loads is the reverse of Dumps. It fails with session.ErrTooLarge if the data has more than limit
// bytes, before more than that is in memory.
func (s *Signer) Loads(signed string, limit int) (data []byte, at time.Time, err error) {
	if len(signed) > (4*limit+2)/3+overhead {
		return nil, time.Time{}, session.ErrTooLarge
	}
	value, at, err := s.Unsign(signed)
	if err != nil {
		return nil, time.Time{}, err
	}
	text, compressed := strings.CutPrefix(value, ".")
	data, err = base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%w: base64", ErrFormat)
	}
	if compressed {
		data, err = decompress(data, limit)
	}
	if err == nil && len(data) > limit {
		err = session.ErrTooLarge
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	return data, at, nil
}

// overhead is an upper bound of the length of a dot, a timestamp and a signature.
const overhead = 128

// deflaters are writers for reuse: a new one allocates 800 KiB.
var deflaters sync.Pool

func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, _ := deflaters.Get().(*zlib.Writer)
	if w == nil {
		w = zlib.NewWriter(&out)
	} else {
		w.Reset(&out)
	}
	_, err := w.Write(data)
	err = errors.Join(err, w.Close())
	w.Reset(nil) // or w would retain the text
	deflaters.Put(w)
	return out.Bytes(), err
}

// inflaters are readers for reuse: a new one allocates 40 KiB.
var inflaters sync.Pool

func decompress(data []byte, limit int) ([]byte, error) {
	r, _ := inflaters.Get().(io.Reader)
	var err error
	if r == nil {
		r, err = zlib.NewReader(bytes.NewReader(data))
	} else {
		err = r.(zlib.Resetter).Reset(bytes.NewReader(data), nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: zlib", ErrFormat)
	}
	defer inflaters.Put(r)
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("%w: zlib", ErrFormat)
	}
	return out, nil
}
