-- transforms/enrich.lua: how long each reading took to get here.

function transform(e, m)
	e.time_taken = m.now - e.timestamp
end
