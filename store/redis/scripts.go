package redis

import "github.com/redis/go-redis/v9"

// The scripts are what makes an operation atomic. What they begin with:
//
//	ends(key)         when a key ends, in Unix milliseconds; -1: never, -2: no key
//	holds(key, v, at) whether a key still holds v and ends at at
//
// PEXPIRETIME is there since Redis 7. Before, the time is that of the clock
// plus what is left, when both were read within one millisecond.
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

// What the scripts answer first.
const (
	none  = 0 // no such key, or not as it was
	done  = 1
	large = 2 // over the limit: the value was not read
	odd   = 3 // not a string
	taken = 4
)

var (
	// readScript: KEYS key; ARGV limit. Answers {what, value, end}.
	readScript = redis.NewScript(prelude + `
local n = redis.pcall('STRLEN', KEYS[1])
if type(n) == 'table' then return {3, '', ends(KEYS[1])} end
if n == 0 then return {0, '', 0} end
if n > tonumber(ARGV[1]) then return {2, '', ends(KEYS[1])} end
return {1, redis.call('GET', KEYS[1]), ends(KEYS[1])}
`)
	// replaceScript: KEYS key; ARGV the value and end that it has and those
	// that it gets. An empty value leaves it.
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
