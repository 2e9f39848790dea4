-- event_raises\.lua:4: .*boom
function transform(e)
	if e.bad then
		error("boom")
	end
end
