-- event_yields\.lua:.*|attempt to yield
function transform(e)
	if e.bad then
		coroutine.yield(1)
	end
end
