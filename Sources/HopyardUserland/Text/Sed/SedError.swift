/// What is wrong with a sed script.
struct SedError: Error {
  var at: Int
  var message: String
  var isRefusal = false
}
