//! The tests' S3 server for scripts: prints the variables that a client needs, and ends when its input does.

#![expect(clippy::print_stdout, reason = "scripts read them there")]

fn main() {
    let bucket = parkgate_testbed::BucketServer::start();
    for (name, value) in bucket.variables(None) {
        println!("export {name}={value}");
    }
    println!("export BUCKET={}", bucket.url("moved"));
    // A script keeps its input open for as long as it needs the server.
    drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
}
