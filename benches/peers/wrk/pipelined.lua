-- Sixteen requests at a time on each connection. wrk counts the answers.
function init()
  sixteen = wrk.format("GET", "/"):rep(16)
end

function request()
  return sixteen
end
