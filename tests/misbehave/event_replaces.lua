-- event_replaces\.lua:4: .*
function transform(e)
	if e.bad then
		string.format = nil
	end
end
