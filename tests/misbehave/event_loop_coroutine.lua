-- event_loop_coroutine\.lua:[4-6]:
function transform(e)
	if e.bad then
		local co = coroutine.wrap(function()
			while true do
			end
		end)
		co()
	end
end
