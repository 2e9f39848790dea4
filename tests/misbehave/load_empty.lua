-- load_empty\.lua
local nothing = 1
