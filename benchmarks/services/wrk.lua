-- wrk's script: sends the requests of a file one after another from a random one on, and prints what came of it as JSON.
-- The file has each request in full, ended by a zero byte; without BENCH_REQUESTS wrk repeats the one of its command line.
local file = os.getenv("BENCH_REQUESTS")

if file then
  local requests, at = {}, 0
  for one in io.open(file, "rb"):read("*a"):gmatch("([^%z]+)") do
    requests[#requests + 1] = one
  end

  function init()
    math.randomseed(os.time())
    at = math.random(#requests)
  end

  function request()
    at = at % #requests + 1
    return requests[at]
  end
end

function done(summary, latency)
  local errors = summary.errors
  local reset = errors.connect + errors.read + errors.write
  io.write(string.format('{"requests": %d, "microseconds": %d, "refused": %d, "reset": %d, "late": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, errors.status, reset, errors.timeout, latency:percentile(50), latency:percentile(99)))
end
