-- event_nan\.lua:.*|finite
function transform(e)
	if e.bad then
		e.x = 0 / 0
	end
end
