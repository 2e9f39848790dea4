app("x")
for i = 1, 3 do local s = stream("s" .. i) s { key = ("k"):rep(i) } end
local t = setmetatable and {} or { [[long]], 'q', 0x1p4, 1LL }
kafka { a = tostring(t and 1), b = table.concat({ "a", "b" }, ","), c = math.floor(2.5), d = string.format("%5.1f%q", 1, "x") }
