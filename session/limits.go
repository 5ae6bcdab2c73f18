package session

// The keys of the session's data under which the idle and absolute limits,
// which Django has not, keep what they need: Unix seconds. Django keeps them
// as it keeps all keys that it does not know.
const (
	CreatedKey = "_cloakroom_created"
	SeenKey    = "_cloakroom_seen"
)
