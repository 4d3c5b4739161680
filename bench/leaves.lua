-- Leaves of 20 fields and one payment for wrk: signed once by the generator script, read from a file, one body a line.
local bodies = {}
local at = 0

function init(args)
  for line in io.lines(args[1]) do bodies[#bodies + 1] = line end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
end

function request()
  at = at + 1
  if at > #bodies then at = 1; wrapped = true end
  return wrk.format(nil, nil, nil, bodies[at])
end

function done(summary, latency, requests)
  io.write(string.format("RESULT %.0f %.2f %d\n", summary.requests / (summary.duration / 1e6), latency:percentile(99) / 1000,
    summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
