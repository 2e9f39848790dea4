-- (event_memory\.lua:.*)?not enough memory
function transform(e)
	if e.bad then
		local t = {}
		for i = 1, 1e9 do
			t[i] = { i }
		end
	end
end
