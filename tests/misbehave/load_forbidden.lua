-- load_forbidden\.lua:2:
os.execute("true")
function transform() end
