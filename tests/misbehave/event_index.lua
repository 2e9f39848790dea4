-- event_index\.lua:5: attempt to index
function transform(e)
	local nothing
	if e.bad then
		e.x = nothing.field
	end
end
