-- event_loop_pcall\.lua:[3-8]:
function transform(e)
	while e.bad do
		pcall(function()
			while true do
			end
		end)
	end
end
