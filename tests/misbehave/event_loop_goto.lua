-- event_loop_goto\.lua:[45]:
function transform(e)
	if not e.bad then return end
	::again::
	goto again
end
