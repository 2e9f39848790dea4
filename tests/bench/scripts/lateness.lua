-- lateness as a script: late is what is not newer than all before it of its key.
local highest = state "highest"

function transform(_, m)
	local key, time = m.key, m.time
	local high = highest:get(key)
	if high and time <= high then
		late()
	else
		highest:put(key, time)
	end
end
