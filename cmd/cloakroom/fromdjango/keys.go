package fromdjango

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// keys translates SECRET_KEY and SECRET_KEY_FALLBACKS into the environment.
func (t *translation) keys() error {
	if strings.ContainsRune(t.SecretKey, 0) {
		return fmt.Errorf("SECRET_KEY contains a NUL character, which no environment variable can hold")
	}
	t.secret("CLOAKROOM_SECRET_KEY", t.SecretKey)
	if strings.HasSuffix(t.SecretKey, "\n") || strings.HasSuffix(t.SecretKey, "\r") {
		t.note("SECRET_KEY ends with a line break, which is part of it: set CLOAKROOM_SECRET_KEY, since a file named by CLOAKROOM_SECRET_KEY_FILE is read without it")
	}
	var keys []string
	for i, key := range t.Fallbacks {
		switch {
		case key == "":
			t.note("SECRET_KEY_FALLBACKS[%d] is empty and left out: anybody could sign with it", i)
		case strings.ContainsFunc(key, unicode.IsSpace) || strings.ContainsRune(key, 0):
			return fmt.Errorf("SECRET_KEY_FALLBACKS[%d] contains white space, which separates the keys in CLOAKROOM_SECRET_KEY_FALLBACKS: remove it from the settings when its sessions have ended", i)
		default:
			keys = append(keys, key)
		}
	}
	if len(keys) > 0 {
		t.secret("CLOAKROOM_SECRET_KEY_FALLBACKS", strings.Join(keys, " "))
	}
	return nil
}

// secret adds a secret that the environment must hold.
func (t *translation) secret(name, value string) {
	if !t.secrets {
		value = ""
	}
	t.Environment[name] = value
}

func asJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}
