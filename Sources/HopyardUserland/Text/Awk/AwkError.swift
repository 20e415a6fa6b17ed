/// What is wrong with an awk program.
struct AwkError: Error {
  var at: Int
  var message: String
  /// Whether awk would take it and the model does not.
  var isRefusal = false
}
