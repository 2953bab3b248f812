# Visage's own web server in front of what stands for Visage: `ruby noodle_webrick.rb URL SECONDS`. Prints its port.
#
# Visage runs on WEBrick unless it is told otherwise. What WEBrick does is what matters here: which requests it takes,
# and that it ends a connection that was idle for so many seconds with a 408 or without a word.
require 'net/http'
require 'webrick'

url, seconds = ARGV
server = WEBrick::HTTPServer.new(BindAddress: '127.0.0.1', Port: 0, RequestTimeout: seconds.to_f,
                                 AccessLog: [], Logger: WEBrick::Log.new($stderr, WEBrick::Log::INFO))
server.mount_proc('/') do |request, response|
  answer = Net::HTTP.get_response(URI(url + request.unparsed_uri))
  response.status = answer.code.to_i
  response.content_type = answer.content_type
  response.body = answer.body
end
trap('TERM') { server.shutdown }
puts "port=#{server.listeners.first.addr[1]}"
$stdout.flush
server.start
