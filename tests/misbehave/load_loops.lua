-- load_loops\.lua:2:
while true do end
function transform() end
