-- The transitions of the ledger. Rules: one slot; time is the server's; every write of a holder is fenced
-- by owner and epoch; repeating a script with the same arguments changes nothing and gives the same answer.
-- Transitions that free memory carry allow-oom, so that a full store still drains.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function num(v) return string.format('%.0f', v) end
-- A holder that lost its claim gets -1.
local function fenced(l, own, ep)
  local h = redis.call('HMGET', l, 'own', 'ep')
  return h[1] ~= own or h[2] ~= ep or own == ''
end
-- Journal entries are written once: 1 written, 2 the same is there, -2 another one is there, -3 full.
local function journal(j, key, digest, sealed, cap)
  local old = redis.call('HGET', j, key)
  if old then
    if string.match(old, '^%d+|([^|]*)|') == digest then return 2 end
    return -2
  end
  local n = redis.call('HLEN', j)
  if n >= tonumber(cap) then return -3 end
  redis.call('HSET', j, key, n .. '|' .. digest .. '|' .. sealed)
  return 1
end
-- What nobody gets done is put aside: when, whose lane, which kind, and the entry as it stood. Operators find it
-- there, and on the list of what nobody has seen yet.
local function bury(dlq, lane, kind, entry)
  local letter = num(now) .. '|' .. lane .. '|' .. kind .. '|' .. entry
  redis.call('LPUSH', dlq, letter)
  redis.call('LTRIM', dlq, 0, 9999)
  redis.call('RPUSH', dlq .. ':new', letter)
  redis.call('LTRIM', dlq .. ':new', -10000, -1)
end
local function create(l, due, runs, act, lane, header, maxruns)
  if redis.call('EXISTS', l) == 1 then return 0 end
  redis.call('HSET', l, 'hdr', header, 'own', '', 'ep', 0, 'att', 0)
  redis.call('ZADD', due, now, lane)
  redis.call('ZADD', runs, now, lane)
  redis.call('ZREMRANGEBYRANK', runs, 0, -(tonumber(maxruns) + 1))
  redis.call('ZADD', act, now, lane)
  return 1
end
-- plan sets the next slot of a task: its time, when it fires, and until when its run has to have ended well.
local function plan(cron, late, watch, task, slot, at, deadline)
  redis.call('HDEL', late, task)
  if tonumber(at) < 0 then redis.call('ZREM', cron, task) return end
  redis.call('ZADD', cron, at, task)
  if at ~= slot then redis.call('HSET', late, task, num(at - slot)) end
  if tonumber(deadline) >= 0 then redis.call('ZADD', watch, deadline, task .. '@' .. slot) end
end
-- slotOf returns the slot that a task is planned for.
local function slotOf(cron, late, task)
  local at = redis.call('ZSCORE', cron, task)
  return at and num(at - (redis.call('HGET', late, task) or 0)), at
end
--# accept
-- K dedupe in l due ev  A lane body dedupeMs cap event maxEvents lateMs lateLanes
-- -> {1 new | 0 known | -1 full | -2 behind, seq}
local known = redis.call('GET', KEYS[1])
if known then return {0, tonumber(known)} end
if redis.call('ZCOUNT', KEYS[4], '-inf', now - tonumber(ARGV[7])) >= tonumber(ARGV[8]) then return {-2, 0} end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[4]) then return {-1, 0} end
local seq = redis.call('HINCRBY', KEYS[3], 'seq', 1)
redis.call('SET', KEYS[1], seq, 'PX', ARGV[3])
redis.call('RPUSH', KEYS[2], seq .. '|' .. ARGV[2])
redis.call('ZADD', KEYS[4], 'NX', now, ARGV[1])
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[6], '*', 'b', ARGV[5])
  redis.call('PUBLISH', 'h:changed', ARGV[1])
end
return {1, seq}
--# claim allow-oom
-- K due l in out brake  A lane owner leaseMs maxTries journalPrefix ctx dlq maxAway
-- -> {0} nothing to do or busy | {1, ep, att, in, out, doubt, hdr, stop, journal, ctx, brake, away}
-- stop: of a run, that somebody said so; of a session, that its head is among the messages that were stopped
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score then return {0} end
local h = redis.call('HMGET', KEYS[2], 'own', 'ep', 'att', 'sending', 'hdr', 'stop', 'held', 'halt', 'away')
local again = h[1] == ARGV[2] -- our own claim, whose answer was lost
if not again and tonumber(score) > now then return {0} end
local head = redis.call('LINDEX', KEYS[3], 0)
local out = redis.call('LINDEX', KEYS[4], 0)
if not head and not out and not h[5] then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return {0}
end
local ep, att = h[2], tonumber(h[3]) or 0
if not again then
  ep = num(math.max((tonumber(h[2]) or 0) + 1, now * 1000))
  att = att + 1
  if h[5] and att > tonumber(ARGV[4]) + 4 then -- a holder that can read it has ended it before
    bury(ARGV[7], ARGV[1], 'run', ep .. '|' .. h[5])
    redis.call('HSET', KEYS[2], 'own', '', 'ep', ep, 'att', 0)
    redis.call('ZREM', KEYS[1], ARGV[1])
    return {0}
  end
  local away = out and (tonumber(h[9]) or 0) > tonumber(ARGV[8])
  if (att > tonumber(ARGV[4]) or away) and not h[5] then
    att = 1
    if out then
      redis.call('LPOP', KEYS[4])
      bury(ARGV[7], ARGV[1], 'out', out)
      redis.call('HSET', KEYS[2], 'sending', '', 'away', 0)
      h[4], h[9] = '', '0'
      out = redis.call('LINDEX', KEYS[4], 0)
    else
      local seq, body = string.match(head, '^(%d+)|(.*)$')
      redis.call('LPOP', KEYS[3])
      redis.call('DEL', ARGV[5] .. ':' .. seq)
      bury(ARGV[7], ARGV[1], 'in', head)
      redis.call('HSET', KEYS[2], 'done', seq)
      out = 'm' .. seq .. '|D|' .. body
      redis.call('RPUSH', KEYS[4], out)
      head = redis.call('LINDEX', KEYS[3], 0)
    end
    if not head and not out then
      redis.call('HSET', KEYS[2], 'own', '', 'att', 0)
      redis.call('ZREM', KEYS[1], ARGV[1])
      return {0}
    end
  end
end
local doubt = ''
if out then
  local id = string.match(out, '^([^|]*)|')
  if again then doubt = h[7] or '' elseif h[4] == id then doubt = '1' end
  redis.call('HSET', KEYS[2], 'sending', id)
end
redis.call('HSET', KEYS[2], 'own', ARGV[2], 'ep', ep, 'att', att, 'held', doubt)
redis.call('HDEL', KEYS[2], 'wake')
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
if out then return {1, ep, num(att), '', out, doubt, '', '', {}, {}, {}, h[9] or '0'} end
local brake = redis.call('HGETALL', KEYS[5])
if h[5] then return {1, ep, num(att), '', '', '', h[5], h[6] or '', redis.call('HGETALL', ARGV[5]), {}, brake, '0'} end
local seq, stop = string.match(head, '^(%d+)|'), ''
if h[8] and tonumber(h[8]) >= tonumber(seq) then stop = '1' end
return {1, ep, num(att), head, '', '', '', stop, redis.call('HGETALL', ARGV[5] .. ':' .. seq), redis.call('LRANGE', ARGV[6], 0, -1), brake, '0'}
--# extend allow-oom
-- K l due  A owner ep lane leaseMs -> 1 | -1
if fenced(KEYS[1], ARGV[1], ARGV[2]) then return -1 end
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[4]), ARGV[3])
return 1
--# step allow-oom
-- K l j due brake  A owner ep lane leaseMs key digest sealed cap unlessStopped user -> 1 new | 2 known | -1 | -2 | -3 | -4 stopped
if fenced(KEYS[1], ARGV[1], ARGV[2]) then return -1 end
if ARGV[9] == '1' and redis.call('HEXISTS', KEYS[2], ARGV[5]) == 0 then
  if redis.call('HEXISTS', KEYS[1], 'stop') == 1 then return -4 end
  local b = redis.call('HMGET', KEYS[4], '*', ARGV[10])
  if b[1] == 'on' or b[2] == 'on' then return -4 end
end
local r = journal(KEYS[2], ARGV[5], ARGV[6], ARGV[7], ARGV[8])
if r < 0 then return r end
redis.call('HSET', KEYS[1], 'att', 0)
redis.call('ZADD', KEYS[3], now + tonumber(ARGV[4]), ARGV[3])
if r == 1 then redis.call('PUBLISH', 'h:changed', ARGV[3]) end
return r
--# finish allow-oom
-- K l in out due ctx j ev run runs act
-- A owner ep lane seq out leaseMs keepMs drop event maxEvents runLane header maxRuns turns...
-- -> 1 ours is the head to deliver | 2 done before | 3 released | -1 | -4 stopped: nothing starts with it
local ours = 'm' .. ARGV[4]
if tonumber(redis.call('HGET', KEYS[1], 'done') or '0') >= tonumber(ARGV[4]) then
  if not fenced(KEYS[1], ARGV[1], ARGV[2]) and redis.call('HGET', KEYS[1], 'sending') == ours then return 1 end
  return 2
end
if fenced(KEYS[1], ARGV[1], ARGV[2]) then return -1 end
if ARGV[11] ~= '' and tonumber(redis.call('HGET', KEYS[1], 'halt') or '0') >= tonumber(ARGV[4]) then return -4 end
redis.call('LPOP', KEYS[2])
redis.call('DEL', KEYS[6])
if tonumber(ARGV[8]) > 0 then redis.call('LTRIM', KEYS[5], ARGV[8], -1) end
for i = #ARGV, 14, -1 do
  local where, turn = string.match(ARGV[i], '^(.)(.*)$')
  if where == '<' then redis.call('LPUSH', KEYS[5], turn) end
end
for i = 14, #ARGV do
  local where, turn = string.match(ARGV[i], '^(.)(.*)$')
  if where == '>' then redis.call('RPUSH', KEYS[5], turn) end
end
if ARGV[9] ~= '' then
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[10], '*', 'b', ARGV[9])
  redis.call('PUBLISH', 'h:changed', ARGV[3])
end
if ARGV[11] ~= '' then create(KEYS[8], KEYS[4], KEYS[9], KEYS[10], ARGV[11], ARGV[12], ARGV[13]) end
redis.call('HSET', KEYS[1], 'done', ARGV[4], 'att', 0)
for _, k in ipairs({KEYS[1], KEYS[5], KEYS[7]}) do redis.call('PEXPIRE', k, ARGV[7]) end
if ARGV[5] ~= '' then
  redis.call('RPUSH', KEYS[3], ours .. '|A|' .. ARGV[5])
  if redis.call('LLEN', KEYS[3]) == 1 then
    redis.call('HSET', KEYS[1], 'sending', ours)
    redis.call('ZADD', KEYS[4], now + tonumber(ARGV[6]), ARGV[3])
    return 1
  end
end
redis.call('HSET', KEYS[1], 'own', '')
if redis.call('LLEN', KEYS[2]) > 0 or redis.call('LLEN', KEYS[3]) > 0 then
  redis.call('ZADD', KEYS[4], now, ARGV[3])
else
  redis.call('ZREM', KEYS[4], ARGV[3])
end
return 3
--# sent allow-oom
-- K l in out due dlq  A owner ep lane id dead -> 1 released | 3 released, more waits | 2 sent before | -1
local head = redis.call('LINDEX', KEYS[3], 0)
if not head or string.match(head, '^([^|]*)|') ~= ARGV[4] then return 2 end
if fenced(KEYS[1], ARGV[1], ARGV[2]) then return -1 end
redis.call('LPOP', KEYS[3])
if ARGV[5] == '1' then bury(KEYS[5], ARGV[3], 'out', head) end
redis.call('HSET', KEYS[1], 'own', '', 'sending', '', 'att', 0, 'away', 0)
if redis.call('LLEN', KEYS[2]) > 0 or redis.call('LLEN', KEYS[3]) > 0 then
  redis.call('ZADD', KEYS[4], now, ARGV[3])
  return 3
end
redis.call('ZREM', KEYS[4], ARGV[3])
return 1
--# retry allow-oom
-- K l due  A owner ep lane afterMs -> 1 | -1
if fenced(KEYS[1], ARGV[1], ARGV[2]) then return -1 end
redis.call('HSET', KEYS[1], 'own', '')
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[4]), ARGV[3])
return 1
--# undelivered allow-oom
-- K l due  A owner ep lane afterMs unsent -> 1 | -1
-- The platform is away: that is no failure of ours, and is counted apart.
if fenced(KEYS[1], ARGV[1], ARGV[2]) then return -1 end
redis.call('HSET', KEYS[1], 'own', '', 'att', 0)
redis.call('HINCRBY', KEYS[1], 'away', 1)
if ARGV[5] == '1' then redis.call('HSET', KEYS[1], 'sending', '') end
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[4]), ARGV[3])
return 1
--# spawn
-- K l due runs act  A lane header maxRuns -> 1 new | 0 known
return create(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2], ARGV[3])
--# wait allow-oom
-- K l due j  A owner ep lane inMs(-1 until decided) keepMs(of a run that is over, else 0) -> 1 | -1
-- What was decided while we worked must not be slept over. What was decided about a run that had just ended keeps it.
if fenced(KEYS[1], ARGV[1], ARGV[2]) then return -1 end
redis.call('HSET', KEYS[1], 'own', '', 'att', 0)
if redis.call('HDEL', KEYS[1], 'wake') == 1 then
  redis.call('ZADD', KEYS[2], now, ARGV[3])
elseif tonumber(ARGV[4]) < 0 then
  redis.call('ZREM', KEYS[2], ARGV[3])
else
  redis.call('ZADD', KEYS[2], now + tonumber(ARGV[4]), ARGV[3])
end
if tonumber(ARGV[5]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
return 1
--# decide allow-oom
-- K l j due  A lane key digest sealed cap stop -> {1 new | 0 known | -1 no such run | -3 full, entry}
if redis.call('EXISTS', KEYS[1]) == 0 then return {-1, ''} end
local old = redis.call('HGET', KEYS[2], ARGV[2])
if old then return {0, old} end
local r = journal(KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
if r < 0 then return {r, ''} end
if ARGV[6] == '1' then
  redis.call('HSET', KEYS[1], 'stop', now)
  redis.call('PUBLISH', 'h:changed', 'stop/' .. ARGV[1])
end
if ARGV[6] == '0' then redis.call('HDEL', KEYS[1], 'stop') end
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[2])
redis.call('HSET', KEYS[1], 'wake', 1)
local score = redis.call('ZSCORE', KEYS[3], ARGV[1])
local own = redis.call('HGET', KEYS[1], 'own')
if not own or own == '' or not score then redis.call('ZADD', KEYS[3], now, ARGV[1]) end
redis.call('PUBLISH', 'h:changed', ARGV[1])
return {1, ''}
--# halt allow-oom
-- K l  A lane -> how many accepted messages are stopped by it: what is worked on and what waits
local h = redis.call('HMGET', KEYS[1], 'seq', 'done')
local open = (tonumber(h[1]) or 0) - (tonumber(h[2]) or 0)
if open <= 0 then return 0 end
redis.call('HSET', KEYS[1], 'halt', h[1])
redis.call('PUBLISH', 'h:changed', 'stop/' .. ARGV[1])
return open
--# end allow-oom
-- K l j due act sl sout  A owner ep lane key digest sealed cap keepMs session outId out -> 1 | 2 known | -1 | -2 | -3
if redis.call('HEXISTS', KEYS[2], ARGV[4]) == 0 and fenced(KEYS[1], ARGV[1], ARGV[2]) then return -1 end
local r = journal(KEYS[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7])
if r ~= 1 then return r end
redis.call('HSET', KEYS[1], 'own', '', 'att', 0)
redis.call('ZREM', KEYS[4], ARGV[3])
-- It may be the very decision that woke it that it ended by. Any later one keeps it again (decide).
redis.call('PEXPIRE', KEYS[1], ARGV[8])
redis.call('PEXPIRE', KEYS[2], ARGV[8])
if redis.call('HDEL', KEYS[1], 'wake') == 1 then
  redis.call('ZADD', KEYS[3], now, ARGV[3])
else
  redis.call('ZREM', KEYS[3], ARGV[3])
end
if ARGV[11] ~= '' then
  redis.call('RPUSH', KEYS[6], ARGV[10] .. '|A|' .. ARGV[11])
  redis.call('ZADD', KEYS[3], 'NX', now, ARGV[9])
end
redis.call('PUBLISH', 'h:changed', ARGV[3])
return 1
--# fire
-- K cron late watch due fires l runs act  A task expected, of the next: slot(-1 none) at deadline(-1 none),
-- note maxFires lane header maxRuns -> 1 | 0 not expected | -1 too early
local slot, at = slotOf(KEYS[1], KEYS[2], ARGV[1])
if slot ~= ARGV[2] then return 0 end
if tonumber(at) > now then return -1 end
plan(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[3], ARGV[4], ARGV[5])
redis.call('LPUSH', KEYS[5], ARGV[6])
redis.call('LTRIM', KEYS[5], 0, ARGV[7] - 1)
if ARGV[8] ~= '' then create(KEYS[6], KEYS[4], KEYS[7], KEYS[8], ARGV[8], ARGV[9], ARGV[10]) end
return 1
--# schedule
-- K cron late watch  A task, of the next: slot(-1 none) at deadline(-1 none) -> 1
local slot = slotOf(KEYS[1], KEYS[2], ARGV[1])
if slot then redis.call('ZREM', KEYS[3], ARGV[1] .. '@' .. slot) end
plan(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return 1
--# event
-- K ev seen  A lane event maxEvents keepMs -> id
if KEYS[2] ~= KEYS[1] then
  local id = redis.call('GET', KEYS[2])
  if id then return id end
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'b', ARGV[2])
if KEYS[2] ~= KEYS[1] then redis.call('SET', KEYS[2], id, 'PX', 86400000) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', 'h:changed', ARGV[1])
return id
--# change
-- K index, doc...  A per doc: member expected(-1 any, 0 absent) nonce ttlMs(0 none) value('' deletes)
-- -> {1, rev...} | {-1, i} the i-th doc has another revision | {-2, i} there is none to delete
local n, revs = #KEYS - 1, {1}
local function split(v) return string.match(v, '^(%d+)|([^|]*)|') end
local before = {}
for i = 1, n do
  local a = (i - 1) * 5
  local old = redis.call('GET', KEYS[i + 1])
  before[i] = 0
  if old then
    local rev, nonce = split(old)
    before[i] = tonumber(rev)
    if nonce == ARGV[a + 3] and ARGV[a + 5] ~= '' then -- this very change, whose answer was lost
      for k = 1, n do
        local v = redis.call('GET', KEYS[k + 1])
        revs[k + 1] = v and split(v) or '0'
      end
      return revs
    end
  end
  local expected = tonumber(ARGV[a + 2])
  if ARGV[a + 5] == '' and not old then return {-2, i} end
  if expected >= 0 and expected ~= before[i] then return {-1, i} end
end
for i = 1, n do
  local a = (i - 1) * 5
  if ARGV[a + 5] == '' then
    redis.call('DEL', KEYS[i + 1])
    redis.call('ZREM', KEYS[1], ARGV[a + 1])
    revs[i + 1] = '0'
  else
    local rev = num(math.max(before[i] + 1, now * 1000))
    local value = rev .. '|' .. ARGV[a + 3] .. '|' .. ARGV[a + 5]
    local ttl = tonumber(ARGV[a + 4])
    if ttl > 0 then
      redis.call('SET', KEYS[i + 1], value, 'PX', ttl)
      redis.call('ZADD', KEYS[1], now + ttl, ARGV[a + 1])
    else
      redis.call('SET', KEYS[i + 1], value)
      redis.call('ZADD', KEYS[1], '+inf', ARGV[a + 1])
    end
    revs[i + 1] = rev
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return revs
--# lease allow-oom
-- K lease  A owner ttlMs -> epoch | '0' held by another
local h = redis.call('HMGET', KEYS[1], 'own', 'ep', 'till')
local ep = tonumber(h[2]) or 0
if h[1] ~= ARGV[1] then
  local till = tonumber(h[3]) or 0 -- further ahead than anybody may hold it, it is of a clock that went back
  if h[1] and h[1] ~= '' and till > now and till <= now + tonumber(ARGV[2]) then return '0' end
  ep = math.max(ep + 1, now * 1000)
end
redis.call('HSET', KEYS[1], 'own', ARGV[1], 'ep', num(ep), 'till', now + tonumber(ARGV[2]))
return num(ep)
--# unlease allow-oom
-- K lease  A owner -> 1 | 0
if redis.call('HGET', KEYS[1], 'own') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'own', '', 'till', 0)
return 1
--# reserve
-- K hold account...  A keepMs, per account: amount limit ttlMs -> {0} reserved | {i, used} the i-th account has too little left
if redis.call('EXISTS', KEYS[1]) == 1 then return {0, 0} end
for i = 2, #KEYS do
  local a = (i - 2) * 3 + 2
  local used = tonumber(redis.call('GET', KEYS[i])) or 0
  if used + tonumber(ARGV[a]) > tonumber(ARGV[a + 1]) then return {i - 1, used} end
end
for i = 2, #KEYS do
  local a = (i - 2) * 3 + 2
  redis.call('INCRBY', KEYS[i], ARGV[a])
  redis.call('PEXPIRE', KEYS[i], ARGV[a + 2])
  redis.call('HSET', KEYS[1], i - 1, ARGV[a])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {0, 0}
--# settle allow-oom
-- K hold account...  A per account: the actual amount -> 1 | 0 settled before, or never reserved
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'settled') == 1 then return 0 end
for i = 2, #KEYS do
  local held = tonumber(redis.call('HGET', KEYS[1], i - 1)) or 0
  local more = tonumber(ARGV[i - 1]) - held
  if more ~= 0 and redis.call('EXISTS', KEYS[i]) == 1 then redis.call('INCRBY', KEYS[i], num(more)) end
end
redis.call('HSET', KEYS[1], 'settled', 1)
return 1
--# tick allow-oom
-- K due clk -> how many lanes were brought back
-- A server's clock can go back: by hand, by NTP, by a failover. What was due by the old time is due by the new.
local seen = tonumber(redis.call('GET', KEYS[2])) or 0
if now >= seen and now < seen + 60000 then return 0 end -- a note is good for a minute: a quiet store writes little
redis.call('SET', KEYS[2], num(now))
if now >= seen then return 0 end
local lanes = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #lanes, 2 do redis.call('ZADD', KEYS[1], num(lanes[i + 1] - (seen - now)), lanes[i]) end
return #lanes / 2
--# redrive
-- K dlq l in out due  A entry lane kind rest maxInbox -> 1 | 0 no such letter | -1 the inbox is full
if ARGV[3] == 'in' and redis.call('LLEN', KEYS[3]) >= tonumber(ARGV[5]) then return -1 end
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
if ARGV[3] == 'in' then
  redis.call('RPUSH', KEYS[3], redis.call('HINCRBY', KEYS[2], 'seq', 1) .. '|' .. string.match(ARGV[4], '^%d+|(.*)$'))
elseif ARGV[3] == 'run' then
  redis.call('HSET', KEYS[2], 'att', 0)
else
  redis.call('RPUSH', KEYS[4], ARGV[4])
end
redis.call('PERSIST', KEYS[2])
redis.call('ZADD', KEYS[5], 'NX', now, ARGV[2])
return 1
--# post
-- K key out due  A lane id body keepMs -> 1 new | 0 known
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[1], 1, 'PX', ARGV[4])
redis.call('RPUSH', KEYS[2], ARGV[2] .. '|A|' .. ARGV[3])
redis.call('ZADD', KEYS[3], 'NX', now, ARGV[1])
return 1
