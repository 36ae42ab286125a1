SET LOCAL search_path = app;
CREATE TABLE local_one (id int);
RESET search_path;
CREATE TABLE public_one (id int);
