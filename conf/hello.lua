-- hello: the smallest app. Lines of a file go in, what is new about them comes out on the terminal.
--
--     printf '{"id":"a","x":%d}\n' 1 1 5 > /tmp/in.jsonl
--     fairlead run conf/hello.lua --until-idle
app "hello"

local lines = stream "lines" { key = "id" }
local news  = stream "news"  { key = "id" }

source   "file"  { plugin "lines" { file = env "HELLO_FILE" or "/tmp/in.jsonl" }, to = lines }
pipeline "watch" { from = lines, plugin "hello" { field = "x", least = 2 }, to = news }
sink     "show"  { from = news, plugin "stdout" }
