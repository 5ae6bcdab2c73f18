package pickle

import (
	"cloakroom/session"
	"cloakroom/session/django"
)

// DecodeLarge is Decode for a pickle of up to session.LargeLimit bytes. Its results are those of
// session.LargeLoader.
func DecodeLarge(text string) (data []byte, origin *session.Origin, err error) {
	d, err := loadUpTo(text, session.LargeLimit)
	if err != nil {
		return nil, nil, err
	}
	if _, err = d.origin(text); err != nil {
		return nil, nil, err
	}
	var part session.Part
	for i := range d.pairs {
		p := &d.pairs[i]
		if !p.named {
			continue
		}
		if !session.Essential(p.name) {
			part.Add(p.name, "", "")
			continue
		}
		name, value := writer{}, writer{}
		name.text(p.name)
		value.value(p.value)
		if name.tooLarge() || value.tooLarge() {
			return nil, nil, session.ErrTooLarge
		}
		part.Add(p.name, string(name.out), string(value.out))
	}
	if data, origin = part.Data(); len(data) > django.Limit {
		return nil, nil, session.ErrTooLarge
	}
	return data, origin, nil
}
