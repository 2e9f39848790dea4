-- load_syntax\.lua:3:
function transform(e)
	e.x = = 1
end
