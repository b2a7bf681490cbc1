package streams

import goredis "github.com/redis/go-redis/v9"

// What a group's hash says of a lane, each with the lane's number behind it: n is the
// number of the last message that is settled; t the token of who has the next one, c how
// often that was delivered, u until when (without t: before when nobody gets it), p when
// a member first left it to those that asked for its topic. Times are milliseconds of
// Unix time by the server's clock.

// common is what the scripts begin with.
//
//nolint:dupword // Lua's blocks end so
const common = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function text(n) return string.format('%.0f', n) end
local function compiled(list)
	local all = {}
	for p in string.gmatch(list, '%S+') do
		p = string.gsub(p, '[%-%.]', '%%%0')
		p = string.gsub(p, '%*', '[^.]+')
		all[#all + 1] = '^' .. p .. '$'
	end
	return all
end
local function wanted(all, topic)
	for _, p in ipairs(all) do
		if string.find(topic, p) then return true end
	end
	return false
end
local function hash(key)
	local flat, h = redis.call('HGETALL', key), {}
	for i = 1, #flat, 2 do h[flat[i]] = flat[i + 1] end
	return h
end
local function fields(entry)
	local h = {}
	for i = 1, #entry[2], 2 do h[entry[2][i]] = entry[2][i + 1] end
	h.n = tonumber(string.match(entry[1], '^%d+'))
	return h
end
`

// store stores a batch. KEYS: the owner's hash, then of each message the stream and the
// key it is known by. ARGV: the channel, how long messages are kept and known, then of
// each message the lane, topic, attributes and data. It answers the number of each in its lane, 0 of one that was known.
//
//nolint:dupword // as common
func store() *goredis.Script {
	return goredis.NewScript(common + `
local out = {}
for i = 1, (#KEYS - 1) / 2 do
	local stream, known, at = KEYS[2 * i], KEYS[2 * i + 1], 4 * i
	local lane, topic = ARGV[at], ARGV[at + 1]
	out[i] = 0
	if redis.call('EXISTS', known) == 0 then
		local n = redis.call('HINCRBY', KEYS[1], 'n' .. lane, 1)
		out[i] = n
		redis.call('XADD', stream, text(n) .. '-0', 't', topic, 's', text(now), 'a', ARGV[at + 2], 'd', ARGV[at + 3])
		redis.call('SET', known, '', 'PX', ARGV[3])
		redis.call('HINCRBY', KEYS[1], 'topic:' .. topic, 1)
		for _, e in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', 2)) do
			local f = fields(e)
			if tonumber(f.s) < now - tonumber(ARGV[2]) then
				redis.call('XDEL', stream, e[1])
				redis.call('HINCRBY', KEYS[1], 'topic:' .. f.t, -1)
			end
		end
	end
end
redis.call('HSET', KEYS[1], 'last', text(now))
redis.call('PUBLISH', ARGV[1], '')
return out`)
}

// enlist makes a group, or adds topics to it. KEYS: the group, the owner's hash, the set
// of its groups. ARGV: the group's name, 1 for Latest, how long it is remembered, and
// the topics.
//
//nolint:dupword // as common
func enlist() *goredis.Script {
	return goredis.NewScript(common + `
local topics = redis.call('HGET', KEYS[1], 'topics')
if not topics then
	topics = ''
	if ARGV[2] == '1' then
		for field, n in pairs(hash(KEYS[2])) do
			if string.find(field, '^n%d+$') then redis.call('HSET', KEYS[1], field, n) end
		end
	end
end
for t in string.gmatch(ARGV[4], '%S+') do
	if not string.find(' ' .. topics .. ' ', ' ' .. t .. ' ', 1, true) then topics = topics .. ' ' .. t end
end
redis.call('HSET', KEYS[1], 'topics', topics)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SADD', KEYS[3], ARGV[1])
return 1`)
}

// claim gives a member the next messages of lanes that nobody has one of. KEYS: the
// group and the lanes' streams. ARGV: how many at most, the lane to begin with, a token,
// the lease, how long others go first, and the member's topics. It answers how long it
// is until there may be more (-1: until something comes), and of each message its lane,
// number, count, time, attributes and data; nothing when there is no such group.
//
//nolint:dupword // as common
func claim() *goredis.Script {
	return goredis.NewScript(common + `
local group = hash(KEYS[1])
if not group.topics then return {} end
local all, mine = compiled(group.topics), compiled(ARGV[6])
local lanes, out, due = #KEYS - 1, {}, -1
local function later(at)
	if due < 0 or at - now < due then due = math.max(at - now, 0) end
end
for i = 0, lanes - 1 do
	if #out >= tonumber(ARGV[1]) then break end
	local lane = (tonumber(ARGV[2]) + i) % lanes
	local stream, free = KEYS[lane + 2], tonumber(group['u' .. lane] or 0)
	if free > now then
		later(free)
	else
		local from, found, size = tonumber(group['n' .. lane] or 0), nil, 1
		local first = from
		for round = 1, 40 do
			local some = redis.call('XRANGE', stream, '(' .. text(from) .. '-0', '+', 'COUNT', size)
			for _, e in ipairs(some) do
				local f = fields(e)
				if wanted(all, f.t) then found = f break end
				from = f.n
			end
			if found or #some < size then break end
			size = 8
			if round == 40 then later(now) end
		end
		if from > first then
			redis.call('HSET', KEYS[1], 'n' .. lane, text(from))
			redis.call('HDEL', KEYS[1], 'c' .. lane, 'p' .. lane)
		end
		if found and not wanted(mine, found.t) then
			local passed = group['p' .. lane]
			if not passed or from > first then
				passed = text(now)
				redis.call('HSET', KEYS[1], 'p' .. lane, passed)
			end
			local at = tonumber(passed) + tonumber(ARGV[5])
			if at > now then
				later(at)
				found = nil
			end
		end
		if found then
			local count = redis.call('HINCRBY', KEYS[1], 'c' .. lane, 1)
			redis.call('HSET', KEYS[1], 't' .. lane, ARGV[3], 'u' .. lane, text(now + tonumber(ARGV[4])))
			out[#out + 1] = {lane, found.n, count, found.s, found.a, found.d}
		end
	end
end
return {due, out}`)
}

// settle does what a verdict says. KEYS: the group. ARGV: the channel, the lane, the
// message's number, the token, the action, the delay or the lease, and how long the
// group is remembered. It answers 1, or 0 when the message is somebody else's.
func settle() *goredis.Script {
	return goredis.NewScript(common + `
local lane = ARGV[2]
local n, token = unpack(redis.call('HMGET', KEYS[1], 'n' .. lane, 't' .. lane))
if ARGV[5] == 'done' and tonumber(n or 0) >= tonumber(ARGV[3]) then return 1 end
if token ~= ARGV[4] then return 0 end
if ARGV[5] == 'alive' then
	redis.call('HSET', KEYS[1], 'u' .. lane, text(now + tonumber(ARGV[6])))
	return 1
end
redis.call('HDEL', KEYS[1], 't' .. lane, 'u' .. lane)
if ARGV[5] == 'done' then
	redis.call('HSET', KEYS[1], 'n' .. lane, ARGV[3])
	redis.call('HDEL', KEYS[1], 'c' .. lane, 'p' .. lane)
	redis.call('PEXPIRE', KEYS[1], ARGV[7])
elseif tonumber(ARGV[6]) > 0 then
	redis.call('HSET', KEYS[1], 'u' .. lane, text(now + tonumber(ARGV[6])))
end
redis.call('PUBLISH', ARGV[1], '')
return 1`)
}

// behind tells how far a group is behind. KEYS: the group, the owner's hash, the lanes'
// streams. ARGV: how many messages of a lane are looked at. It answers how many are not
// settled, how many of them are with members, how old the oldest is, and the topics;
// nothing when there is no such group.
//
//nolint:dupword // as common
func behind() *goredis.Script {
	return goredis.NewScript(common + `
local group, ends = hash(KEYS[1]), hash(KEYS[2])
if not group.topics then return {} end
local all, messages, out, oldest = compiled(group.topics), 0, 0, now
for lane = 0, #KEYS - 3 do
	local from, seen = tonumber(group['n' .. lane] or 0), 0
	if group['t' .. lane] and tonumber(group['u' .. lane] or 0) > now then out = out + 1 end
	while seen < tonumber(ARGV[1]) do
		local some = redis.call('XRANGE', KEYS[lane + 3], '(' .. text(from) .. '-0', '+', 'COUNT', 8)
		for _, e in ipairs(some) do
			local f = fields(e)
			from, seen = f.n, seen + 1
			if wanted(all, f.t) then
				messages = messages + 1
				oldest = math.min(oldest, tonumber(f.s))
			end
		end
		if #some < 8 then break end
	end
	if seen >= tonumber(ARGV[1]) then messages = messages + math.max(tonumber(ends['n' .. lane] or 0) - from, 0) end
end
return {messages, out, now - oldest, group.topics}`)
}

// scripts are those of a connection, whose digests are made once.
type scripts struct{ store, enlist, claim, settle, behind *goredis.Script }

func newScripts() scripts { return scripts{store(), enlist(), claim(), settle(), behind()} }
