-- wrk asks in turn for the paths in the file that PATHS names, one a line; a path with a tab and a body behind it
-- is posted as JSON.
local requests, position = {}, 0
for line in io.lines(os.getenv("PATHS")) do
  local path, body = line:match("^([^\t]+)\t(.*)$")
  if body then
    requests[#requests + 1] = wrk.format("POST", path, { ["Content-Type"] = "application/json" }, body)
  else
    requests[#requests + 1] = wrk.format("GET", line)
  end
end
request = function()
  position = position % #requests + 1
  return requests[position]
end
