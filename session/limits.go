package session

// The keys of the session's data that the idle and absolute timeouts, which Django lacks, use:
// Unix seconds. Django preserves them, as it preserves all unknown keys.
const (
	CreatedKey = "_cloakroom_created"
	SeenKey    = "_cloakroom_seen"
)
