package redis

import "github.com/redis/go-redis/v9"

// The scripts make operations atomic. They begin with these functions:
//
//	ends(key)         the expiry of a key, in Unix milliseconds; -1: none, -2: no key
//	holds(key, v, at) whether a key still holds v and expires at at
//
// PEXPIRETIME exists since Redis 7. Before, the expiry is the clock's time plus the remaining
// time, if both were read within one millisecond.
const prelude = `
local function ms()
	local t = redis.call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function ends(key)
	local at = redis.pcall('PEXPIRETIME', key)
	if type(at) ~= 'table' then return at end
	while true do
		local before, left = ms(), redis.call('PTTL', key)
		if left < 0 then return left end
		if before == ms() then return before + left end
	end
end
local function holds(key, v, at)
	return redis.call('GET', key) == v and ends(key) == tonumber(at)
end
`

// The first value that the scripts return.
const (
	none  = 0 // no such key, or not as it was
	done  = 1
	large = 2 // over the limit: the value was not read
	odd   = 3 // not a string
	taken = 4
)

var (
	// readScript: KEYS key; ARGV limit. Returns {what, value, end}.
	readScript = redis.NewScript(prelude + `
local n = redis.pcall('STRLEN', KEYS[1])
if type(n) == 'table' then return {3, '', ends(KEYS[1])} end
if n == 0 then return {0, '', 0} end
if n > tonumber(ARGV[1]) then return {2, '', ends(KEYS[1])} end
return {1, redis.call('GET', KEYS[1]), ends(KEYS[1])}
`)
	// replaceScript: KEYS key; ARGV the expected value and end, and the new ones. An empty new
	// value keeps the value.
	replaceScript = redis.NewScript(prelude + `
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
if ARGV[3] == '' then
	redis.call('PEXPIREAT', KEYS[1], ARGV[4])
else
	redis.call('SET', KEYS[1], ARGV[3], 'PXAT', ARGV[4])
end
return 1
`)
	// moveScript: KEYS key, new key; ARGV as above.
	moveScript = redis.NewScript(prelude + `
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then return 4 end
redis.call('RENAME', KEYS[1], KEYS[2])
if ARGV[3] == '' then
	redis.call('PEXPIREAT', KEYS[2], ARGV[4])
else
	redis.call('SET', KEYS[2], ARGV[3], 'PXAT', ARGV[4])
end
return 1
`)
)
