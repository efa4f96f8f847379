"""The study: asks for configurations, has them built and measured, tells what came of them."""
