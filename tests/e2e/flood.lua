-- The end-to-end tests' yachts: every call gives one reading of each boat, with a number that counts through all of
-- them and through every restart; each boat's twentieth reading is five seconds old, as from a phone out of reach.
local kept = state "flood"
local boats

function open(opts)
	boats = opts.boats
end

function generate(t)
	local seq = kept:get("seq") or 0
	local call = seq / boats
	for boat = 0, boats - 1 do
		local late = (call + boat) % 20 == 19
		local angle = (seq % 6283) / 1000
		emit {
			id = boat,
			x = 21.0 + math.cos(angle) / 100,
			y = 52.4 + math.sin(angle + boat) / 100,
			timestamp = t - (late and 5 or 0),
			seq = seq,
			note = "a \"ü\" \\ b",
		}
		seq = seq + 1
	end
	kept:put("seq", seq)
end
