-- Asks for pieces at random offsets: wrk … --script random-ranges.lua URL -- LAYER_BYTES PIECE_BYTES
local last_offset, piece

function init(arguments)
  piece = tonumber(arguments[2])
  last_offset = tonumber(arguments[1]) - piece
  math.randomseed(1)
end

function request()
  local offset = math.floor(math.random() * last_offset)
  wrk.headers["Range"] = string.format("bytes=%d-%d", offset, offset + piece - 1)
  return wrk.format("GET")
end
