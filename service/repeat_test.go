package service_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestRepeatedWrites repeats writes whose responses were lost: each must return the result of the
// first.
func TestRepeatedWrites(t *testing.T) {
	f, _, _ := withAccounts(t)
	type result struct {
		State, Key string
		Data       map[string]json.RawMessage
	}
	call := func(path, body string) (r result) {
		t.Helper()
		status, text := f.do("POST", "/v1/"+path, body)
		if err := json.Unmarshal([]byte(text), &r); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", path, status, text)
		}
		return r
	}
	visitor := call("create", `{"data":{"cart":[1]},"age":600}`).Key
	login := `{"key":"` + visitor + `","user":"7","patch":{"theme":"dark"},"age":600}`
	first := call("login", login)
	again := call("login", login)
	if again.Key != first.Key || string(again.Data["cart"]) != "[1]" || string(again.Data["theme"]) != `"dark"` {
		t.Errorf("a login repeated: %+v, want the key %s and the visitor's data", again, first.Key)
	}
	if other := call("login", strings.Replace(login, `"7"`, `"9"`, 1)); other.Key == first.Key || other.Data["cart"] != nil {
		t.Errorf("another's login with the old key: %+v", other)
	}
	update := `{"key":"` + first.Key + `","patch":{"n":2,"theme":null},"age":600}`
	if one, two := call("update", update), call("update", update); string(one.Data["n"]) != "2" || string(two.Data["n"]) != "2" || two.Data["theme"] != nil {
		t.Errorf("an update repeated: %+v, %+v", one, two)
	}
	if one, two := call("flush", `{"key":"`+first.Key+`"}`), call("flush", `{"key":"`+first.Key+`"}`); one.State != "none" || two.State != "none" {
		t.Errorf("a flush repeated: %+v, %+v", one, two)
	}
	if after := call("login", login); after.Key == first.Key || after.Data["cart"] != nil {
		t.Errorf("a login after the logout: %+v", after)
	}
	visitor = call("create", `{"data":{"cart":[1]},"age":600}`).Key
	login = `{"key":"` + visitor + `","user":"7","age":600}`
	first = call("login", login)
	f.clock.Advance(2*time.Minute + time.Second)
	if late := call("login", login); late.Key == first.Key {
		t.Errorf("a login repeated late: %+v", late)
	}
	if _, err := f.store.Load(t.Context(), first.Key); err != nil {
		t.Errorf("the first login: %v", err)
	}
}
