package django

import (
	"fmt"

	"cloakroom/session"
	"cloakroom/session/rawjson"
)

// LargeText is the maximum length of a text that holds session.LargeLimit bytes of JSON.
const LargeText = (4*session.LargeLimit+2)/3 + overhead

// ReadLarge is Read for a session of up to session.LargeLimit bytes. Its results are those of
// session.LargeLoader.
func (c *Codec) ReadLarge(text string) (data []byte, origin *session.Origin, err error) {
	if c == nil {
		return nil, nil, ErrNoKey
	}
	raw, _, err := c.signer.Loads(text, session.LargeLimit)
	if err != nil {
		return nil, nil, err
	}
	raw = latin1(raw)
	s := scanner{in: raw, out: make([]byte, 0, len(raw)), python: true, exact: true, skipDeep: true}
	if !s.document() {
		return nil, nil, fmt.Errorf("%w: %w", ErrFormat, ErrJSON)
	}
	var part session.Part
	for _, m := range parts(string(s.out)) {
		name, _ := rawjson.String(m.name)
		if session.Essential(name) && deep(m.value) {
			return nil, nil, fmt.Errorf("%w: %s: %s", ErrFormat, name, whyDeep)
		}
		part.Add(name, m.name, shown(m.value))
	}
	data, origin = part.Data()
	if len(data) > c.limit {
		return nil, nil, session.ErrTooLarge
	}
	return session.Shown(data, c.zone), origin, nil
}
