-- load_raises\.lua:2: .*boom
error("boom")
function transform() end
