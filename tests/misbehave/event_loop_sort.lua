-- event_loop_sort\.lua:[4-6]:
function transform(e)
	if e.bad then
		table.sort({ 3, 2, 1 }, function()
			while true do
			end
		end)
	end
end
