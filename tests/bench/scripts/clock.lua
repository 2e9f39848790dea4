-- One record a call, with the time of the call.
local n = 0

function generate(t)
	n = n + 1
	emit { id = n % 100, at = t, x = 21.0, y = 52.4 }
end
