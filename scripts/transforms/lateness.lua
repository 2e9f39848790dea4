-- transforms/lateness.lua: the plugin "lateness" as a script, with the same results.
--
--     script "transforms/lateness.lua" { by = "key", allow = 0, to = "late_sensor_data" }
--
-- An event is late when its time is not after the highest one so far less `allow` seconds; the first of a key never is.

local highest = state "lateness"
local by_partition, allow, to = false, 0, nil

function open(opts)
	by_partition = opts.by == "partition"
	allow = opts.allow or 0
	to = opts.to
	if opts.by and opts.by ~= "key" and not by_partition then error 'by is "key" or "partition"' end
	if type(allow) ~= "number" or allow < 0 then error "allow is a number of seconds, 0 or more" end
end

function transform(_, m)
	local key, t = m.key, m.time
	if not by_partition and not key then
		reject 'the record has no key, so nothing tells whether it is late: give its stream a key field, or by = "partition"'
		return
	end
	local whose = by_partition and "partition" or key
	local high = highest:get(whose)
	if high and t <= high - allow then
		metric.count("late_by_key", 1, key)
		late(to)
		return
	end
	if not high or t > high then highest:put(whose, t) end
	metric.count("on_time_by_key", 1, key)
end
